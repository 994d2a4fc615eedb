#!/bin/sh
# Makes the files of this folder with OpenSSL 3.0. The tests read the files; run
# this only to add one.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'a message to be signed\n' >message.txt

key() { # name, then arguments of genpkey
	name=$1
	shift
	openssl genpkey "$@" -out "$work/$name.pem" 2>/dev/null
	openssl pkcs8 -topk8 -nocrypt -in "$work/$name.pem" -outform DER -out "$name.p8"
	openssl pkey -in "$work/$name.pem" -pubout -outform DER -out "$name.spki"
	openssl pkey -in "$work/$name.pem" -pubout -out "$work/$name.pub"
}

request() { # name, then arguments of req
	name=$1
	shift
	openssl req -new -key "$work/$name.pem" -subj "/C=CH/O=Example, Inc./CN=$name" -outform DER -out "$name.csr" "$@"
}

key rsa -algorithm RSA -pkeyopt rsa_keygen_bits:1024
key p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
key secp256k1 -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
key secp256k1b -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
key ed25519 -algorithm ED25519
key ed448 -algorithm ED448
key x25519 -algorithm X25519
key x448 -algorithm X448
key x448b -algorithm X448
openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:2048 -pkeyopt dsa_paramgen_q_bits:256 -out "$work/dsa.par" 2>/dev/null
key dsa -paramfile "$work/dsa.par"
key dh -algorithm DH -pkeyopt group:ffdhe2048
key dhb -algorithm DH -pkeyopt group:ffdhe2048
key dhx -algorithm DHX -pkeyopt dh_rfc5114:3
key dhxb -algorithm DHX -pkeyopt dh_rfc5114:3

request rsa -sha384
cp "$work/rsa.pem" "$work/pss.pem"
request pss -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20
request p384 -sha512
request secp256k1 -sha256
request ed25519
request ed448
request dsa -sha256
openssl req -inform DER -in p384.csr -out p384.csr.pem

# Secrets that two keys share.
for pair in x448:x448b secp256k1:secp256k1b dh:dhb dhx:dhxb; do
	openssl pkeyutl -derive -inkey "$work/${pair%:*}.pem" -peerkey "$work/${pair#*:}.pub" -out "${pair%:*}.shared"
done

# Signatures of message.txt.
openssl dgst -sha256 -sign "$work/dsa.pem" -out dsa.sig message.txt
openssl dgst -sha256 -sign "$work/secp256k1.pem" -out secp256k1.sig message.txt
openssl dgst -sha512 -sign "$work/secp256k1.pem" -out secp256k1-sha512.sig message.txt
openssl pkeyutl -sign -rawin -in message.txt -inkey "$work/ed448.pem" -out ed448.sig

# Raw RSA: the ciphertext of the number that 127 bytes 0x01 are.
head -c 127 /dev/zero | tr '\0' '\001' >"$work/one"
{ printf '\000'; cat "$work/one"; } >"$work/block"
openssl pkeyutl -encrypt -inkey "$work/rsa.pem" -in "$work/block" -pkeyopt rsa_padding_mode:none -out rsa.raw

# A chain in PKCS#12, in the encryption of today and in two of yesterday.
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/ca.pem" -subj "/CN=Root" -days 36500 -out "$work/ca.crt" 2>/dev/null
openssl req -new -newkey rsa:2048 -nodes -keyout "$work/leaf.pem" -subj "/CN=Leaf" -out "$work/leaf.csr" 2>/dev/null
openssl x509 -req -in "$work/leaf.csr" -CA "$work/ca.crt" -CAkey "$work/ca.pem" -CAcreateserial -days 36500 -out "$work/leaf.crt" 2>/dev/null
p12() { # name, then arguments of pkcs12
	name=$1
	shift
	openssl pkcs12 -export -inkey "$work/leaf.pem" -in "$work/leaf.crt" -certfile "$work/ca.crt" -name "array 17" -passout pass:secret -out "$name.p12" "$@"
}
p12 modern
p12 triple-des -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1
p12 rc2 -legacy
p12 nameless
openssl pkcs12 -export -inkey "$work/leaf.pem" -in "$work/leaf.crt" -passout pass:secret -out nameless.p12

# A request in CRMF, taken out of a message of CMP (RFC 4210 §5.1), which is
# sent to nobody.
openssl req -x509 -new -key "$work/p384.pem" -subj /CN=server -out "$work/server.crt"
openssl cmp -cmd cr -use_mock_srv -srv_cert "$work/server.crt" -srv_key "$work/p384.pem" -rsp_cert "$work/server.crt" \
	-newkey "$work/p384.pem" -subject "/C=CH/O=Example/CN=crmf" -popo 1 -unprotected_requests \
	-secret pass:x -ref 1 -reqout "$work/cmp.der" -certout "$work/none" >/dev/null 2>&1 || true
at=$(openssl asn1parse -inform DER -in "$work/cmp.der" | awk '/d=2 .*SEQUENCE/ { split($1, a, ":"); p = a[1] } END { print p }')
openssl asn1parse -inform DER -in "$work/cmp.der" -strparse "$at" -noout -out crmf.der
chmod 644 ./*
