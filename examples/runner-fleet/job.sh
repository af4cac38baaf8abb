#!/bin/sh
# Runs in a job instead of "npm ci". It finds the machine's daemon by its port, and starts its own gateway without one.
set -eu
if command -v catalog > /dev/null; then
  catalog exec --report catalog-report.json -- npm ci
else
  echo "catalog is not installed on this runner: installing without it" >&2
  npm ci
fi
