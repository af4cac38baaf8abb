#!/bin/sh
# With the network still there, in the project: everything that its lockfile names, kept whatever else comes.
set -eu
catalog exec -- catalog prefetch package-lock.json
catalog store pin --lockfile package-lock.json
