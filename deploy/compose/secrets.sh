#!/bin/sh
# Prints random secrets for docker-compose.yml. `make up` keeps them in .run/compose.env, made once.
set -eu
random() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }
for name in DAPR_API_TOKEN APP_API_TOKEN REDIS_PASSWORD RABBITMQ_PASSWORD MONGO_PASSWORD MONGO_PASSWORD_CATALOG \
    MONGO_PASSWORD_CLIENT POSTGRES_PASSWORD POSTGRES_PASSWORD_AUTH POSTGRES_PASSWORD_INVENTORY \
    POSTGRES_PASSWORD_NOTIFICATION POSTGRES_PASSWORD_ORDERING POSTGRES_PASSWORD_PAYMENT \
    NOTIFICATION_AWS_ACCESS_KEY_ID NOTIFICATION_AWS_SECRET_ACCESS_KEY; do
    echo "$name=$(random)"
done
echo "AUTH_KEY_ENCRYPTION_KEY=$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
echo "PAYMENT_STRIPE_KEY=sk_test_$(random)"
echo "PAYMENT_STRIPE_WEBHOOK_SECRET=whsec_$(random)"
for name in PAYMENT_PAYPAL_CLIENT_ID PAYMENT_PAYPAL_CLIENT_SECRET PAYMENT_PAYPAL_WEBHOOK_ID; do echo "$name=$(random)"; done
