#!/bin/sh
# A whole receipt with curl: receipt.sh 1.19 > receipt.json. TSE_URL, TSE_SERIAL, TSE_TOKEN and TSE_CA name the gateway.
# curl asks again under the same key when there is no answer or a 5xx; qr.svg is the QR code.
set -eu
key=$(cat /proc/sys/kernel/random/uuid)
curl --silent --show-error --fail-with-body --retry 20 --retry-connrefused --retry-delay 1 --cacert "$TSE_CA" \
    --header "Authorization: Bearer $TSE_TOKEN" --header "Idempotency-Key: $key" --header "Content-Type: application/json" \
    --data "{\"client_id\": \"POS-1\", \"receipt\": {\"amounts\": {\"normal\": \"$1\"}, \"payments\": [{\"type\": \"Bar\", \"amount\": \"$1\"}]}}" \
    "$TSE_URL/api/v1/tses/$TSE_SERIAL/sign" | tee receipt.tmp
number=$(sed 's/.*"transaction_number":\([0-9]*\).*/\1/' receipt.tmp)
rm receipt.tmp
curl --silent --fail --cacert "$TSE_CA" --header "Authorization: Bearer $TSE_TOKEN" --output qr.svg \
    "$TSE_URL/api/v1/tses/$TSE_SERIAL/transactions/$number/qr"
