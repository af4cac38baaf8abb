#!/bin/sh
# Restores everything as it was before setup.sh.
set -eu
catalog unuse
catalog service uninstall
