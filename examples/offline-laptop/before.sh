#!/bin/sh
# While there is a network, in the project: installs, which fetches every package, and pins what the lockfile names.
set -eu
catalog exec -- npm ci --no-audit
catalog store pin --lockfile package-lock.json
