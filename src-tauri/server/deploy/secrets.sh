#!/bin/sh
# Makes .env beside compose.yaml with fresh secrets, once; only its owner can read it.
set -eu
cd "$(dirname "$0")"
if [ -e .env ]; then
    echo "There is a .env already." >&2
    exit 0
fi
umask 077
secret() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
cat > .env <<END
PUBLIC_HOST=localhost
TRUST_FORWARDED=1
SLUICE_SECRET=$(secret)
SLUICE_OPERATOR_TOKEN=$(secret)
TURN_SECRET=$(secret)
REDIS_PASSWORD=$(secret)
END
echo "Made .env; set PUBLIC_HOST in it to the name that peers reach the relay by."
