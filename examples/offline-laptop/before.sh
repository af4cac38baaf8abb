#!/bin/sh
# While there is a network, in the project: fetches and pins every package of its lockfile.
set -eu
catalog exec -- catalog prefetch package-lock.json
catalog store pin --lockfile package-lock.json
