"""Walks through a server with PyKMIP, as an application would.

Prints one line for each step, "ok STEP" or "FAILED STEP: why", and "done" at
the end. Needs Python 3.11 or earlier: PyKMIP calls ssl.wrap_socket.
"""

import argparse
import hashlib
import hmac
import logging
import os
import ssl
import sys
import traceback

from kmip.core import enums
from kmip.core.factories.attributes import AttributeFactory
from kmip.pie import exceptions, objects
from kmip.pie.client import ProxyKmipClient

failed = False
factory = AttributeFactory()


def attribute(kind, value):
    return factory.create_attribute(kind, value)


def step(name):
    """Runs a function as a step and prints what became of it."""

    def run(function):
        global failed
        try:
            function()
            print("ok", name, flush=True)
        except Exception as e:
            failed = True
            where = traceback.extract_tb(e.__traceback__)[-1]
            print("FAILED %s: %s: %s (%s:%s)" % (name, type(e).__name__, e, os.path.basename(where.filename), where.lineno), flush=True)
        return function

    return run


def equal(got, want):
    if got != want:
        raise AssertionError("got %r, want %r" % (got, want))


def refused(reasons, function, *args, **kwargs):
    """Calls a function that the server must refuse for one of the reasons."""
    try:
        function(*args, **kwargs)
    except exceptions.KmipOperationFailure as e:
        if e.reason not in reasons:
            raise AssertionError("refused for %s, want one of %s" % (e.reason, reasons))
        return str(e)
    raise AssertionError("the server did not refuse")


def main():
    p = argparse.ArgumentParser()
    for name in ("--host", "--port", "--ca", "--cert", "--key", "--other-cert", "--other-key", "--version", "--prefix"):
        p.add_argument(name, required=True)
    a = p.parse_args()
    logging.disable(logging.CRITICAL)
    version = getattr(enums.KMIPVersion, "KMIP_" + a.version.replace(".", "_"))

    def connect(cert, key):
        c = ProxyKmipClient(hostname=a.host, port=int(a.port), cert=cert, key=key, ca=a.ca,
                            ssl_version="PROTOCOL_TLS", config_file=os.devnull, kmip_version=version)
        c.open()
        return c

    with open(a.ca) as f:
        authority = ssl.PEM_cert_to_DER_cert(f.read())
    walk(connect(a.cert, a.key), connect(a.other_cert, a.other_key), version, a.prefix, authority)
    print("done", flush=True)
    sys.exit(1 if failed else 0)


def walk(client, other, version, prefix, authority):
    AES = enums.CryptographicAlgorithm.AES
    masks = [enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT]
    crypto = version >= enums.KMIPVersion.KMIP_1_2
    absent = (enums.ResultReason.ITEM_NOT_FOUND, enums.ResultReason.OBJECT_NOT_FOUND)  # until 1.4, since 2.0
    uid = {}

    def named(name):
        return [attribute(enums.AttributeType.NAME, prefix + name)]

    def state(u):
        _, attributes = client.get_attributes(u, ["State"])
        return attributes[0].attribute_value.value

    @step("create")
    def _():
        uid["key"] = client.create(AES, 256, name=prefix + "key", cryptographic_usage_mask=masks)

    @step("get")
    def _():
        key = client.get(uid["key"])
        equal((key.cryptographic_algorithm, key.cryptographic_length, len(key.value)), (AES, 256, 32))
        equal(client.get(uid["key"]).value, key.value)

    @step("locate")
    def _():
        equal(client.locate(attributes=named("key")), [uid["key"]])
        equal(client.locate(attributes=named("nobody")), [])

    @step("get attributes")
    def _():
        # Not all: PyKMIP fails on attributes that it does not know, such as
        # Original Creation Date, and on a Digest of 1.0.
        names = ["Unique Identifier", "Object Type", "Name", "State", "Cryptographic Algorithm", "Cryptographic Length",
                 "Cryptographic Usage Mask", "Initial Date"]
        _, got = client.get_attributes(uid["key"], names)
        values = {x.attribute_name.value: x.attribute_value for x in got}
        equal(values["Cryptographic Length"].value, 256)
        equal(values["Object Type"].value, enums.ObjectType.SYMMETRIC_KEY)
        equal(values["Name"].name_value.value, prefix + "key")
        equal(values["State"].value, enums.State.PRE_ACTIVE)
        for name in names:
            if name not in values:
                raise AssertionError("no " + name)
        if version < enums.KMIPVersion.KMIP_2_0:  # whose list has tags that PyKMIP does not know
            for name in names:
                if name not in client.get_attribute_list(uid["key"]):
                    raise AssertionError("not in the list: " + name)

    if crypto:
        @step("encrypt before activation is refused")
        def _():
            refused((enums.ResultReason.WRONG_KEY_LIFECYCLE_STATE, enums.ResultReason.PERMISSION_DENIED,
                     enums.ResultReason.ILLEGAL_OPERATION), client.encrypt, b"x", uid["key"])

    @step("activate")
    def _():
        client.activate(uid["key"])
        equal(state(uid["key"]), enums.State.ACTIVE)

    if crypto:
        gcm = {"block_cipher_mode": enums.BlockCipherMode.CBC, "padding_method": enums.PaddingMethod.PKCS5,
               "cryptographic_algorithm": AES}

        @step("encrypt")
        def _():
            uid["iv"] = b"0123456789abcdef"
            uid["ciphertext"], _ = client.encrypt(b"a message of no multiple of 16", uid["key"], gcm, uid["iv"])
            if b"message" in uid["ciphertext"] or len(uid["ciphertext"]) != 32:
                raise AssertionError("ciphertext %r" % uid["ciphertext"])

        @step("decrypt")
        def _():
            equal(client.decrypt(uid["ciphertext"], uid["key"], gcm, uid["iv"]), b"a message of no multiple of 16")

        @step("the key that Get shows is the one that encrypts")
        def _():
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
            d = Cipher(algorithms.AES(client.get(uid["key"]).value), modes.CBC(uid["iv"])).decryptor()
            plain = d.update(uid["ciphertext"]) + d.finalize()
            equal(plain[:-plain[-1]], b"a message of no multiple of 16")

        @step("an initialisation vector is made when none is given")
        def _():
            data, iv = client.encrypt(b"y", uid["key"], dict(gcm, random_iv=True))
            equal(client.decrypt(data, uid["key"], gcm, iv), b"y")

    @step("destroy while active is refused")
    def _():
        refused((enums.ResultReason.PERMISSION_DENIED, enums.ResultReason.WRONG_KEY_LIFECYCLE_STATE), client.destroy, uid["key"])

    def rekey():
        uid["new"] = client.rekey(uid["key"], offset=0)
        if uid["new"] == uid["key"] or client.get(uid["new"]).value == client.get(uid["key"]).value:
            raise AssertionError("no new key")
        equal(client.locate(attributes=named("key")), [uid["new"]])

    if version < enums.KMIPVersion.KMIP_2_0:  # in which PyKMIP still sends a Template-Attribute
        step("rekey")(rekey)

    @step("revoke")
    def _():
        client.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid["key"], "replaced")
        equal(state(uid["key"]), enums.State.DEACTIVATED)

    @step("destroy")
    def _():
        client.destroy(uid["key"])
        equal(state(uid["key"]), enums.State.DESTROYED)
        refused(list(enums.ResultReason), client.get, uid["key"])

    @step("register and get")
    def _():
        value = bytes(range(16))
        uid["registered"] = client.register(objects.SymmetricKey(AES, 128, value, masks=masks, name=prefix + "registered"))
        equal(client.get(uid["registered"]).value, value)

    @step("register secret data")
    def _():
        u = client.register(objects.SecretData(b"correct horse", enums.SecretDataType.PASSWORD, name=prefix + "secret"))
        equal(client.get(u).value, b"correct horse")

    @step("register opaque data")
    def _():
        u = client.register(objects.OpaqueObject(b"\x00\xff opaque", enums.OpaqueDataType.NONE, name=prefix + "opaque"))
        equal(client.get(u).value, b"\x00\xff opaque")

    @step("key pair")
    def _():
        public, private = client.create_key_pair(enums.CryptographicAlgorithm.RSA, 2048,
                                                 public_usage_mask=[enums.CryptographicUsageMask.VERIFY],
                                                 private_usage_mask=[enums.CryptographicUsageMask.SIGN])
        equal(client.get(public).object_type, enums.ObjectType.PUBLIC_KEY)
        equal(client.get(private).object_type, enums.ObjectType.PRIVATE_KEY)

    @step("register a certificate")
    def _():
        u = client.register(objects.X509Certificate(authority, name=prefix + "certificate"))
        equal(client.get(u).value, authority)

    @step("register a split key")
    def _():
        share = bytes(range(32))
        part = objects.SplitKey(AES, 256, share, masks, prefix + "part", split_key_parts=3, key_part_identifier=1,
                                split_key_threshold=2, split_key_method=enums.SplitKeyMethod.POLYNOMIAL_SHARING_GF_2_16)
        got = client.get(client.register(part))
        equal((got.value, got.split_key_parts, got.key_part_identifier, got.split_key_threshold), (share, 3, 1, 2))

    # Not a key that the server wraps: PyKMIP reads its Key Value as a structure,
    # and it is a Byte String.
    @step("register a wrapped key")
    def _():
        wrapped = bytes.fromhex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")
        how = {"wrapping_method": enums.WrappingMethod.ENCRYPT, "encryption_key_information": {
            "unique_identifier": "elsewhere",
            "cryptographic_parameters": {"block_cipher_mode": enums.BlockCipherMode.NIST_KEY_WRAP}}}
        if version >= enums.KMIPVersion.KMIP_1_1:
            how["encoding_option"] = enums.EncodingOption.NO_ENCODING
        got = client.get(client.register(objects.SymmetricKey(AES, 128, wrapped, masks=masks, name=prefix + "wrapped",
                                                              key_wrapping_data=how)))
        equal((got.value, got.key_wrapping_data["wrapping_method"]), (wrapped, enums.WrappingMethod.ENCRYPT))

    @step("derive a key")
    def _():
        base = client.register(objects.SecretData(b"correct horse", enums.SecretDataType.PASSWORD,
                                                  masks=[enums.CryptographicUsageMask.DERIVE_KEY], name=prefix + "base"))
        client.activate(base)
        u = client.derive_key(enums.ObjectType.SYMMETRIC_KEY, [base], enums.DerivationMethod.PBKDF2, {
            "cryptographic_parameters": {"hashing_algorithm": enums.HashingAlgorithm.SHA_256},
            "salt": b"battery staple", "iteration_count": 1000,
        }, cryptographic_length=256, cryptographic_algorithm=AES, cryptographic_usage_mask=masks)
        equal(client.get(u).value, hashlib.pbkdf2_hmac("sha256", b"correct horse", b"battery staple", 1000))

    if crypto:
        @step("mac")
        def _():
            value = bytes(range(32))
            u = client.register(objects.SymmetricKey(enums.CryptographicAlgorithm.HMAC_SHA256, 256, value,
                                                     masks=[enums.CryptographicUsageMask.MAC_GENERATE], name=prefix + "mac"))
            client.activate(u)
            equal(client.mac(b"data", u, enums.CryptographicAlgorithm.HMAC_SHA256)[1], hmac.digest(value, b"data", "sha256"))

        @step("sign and verify")
        def _():
            public, private = client.create_key_pair(enums.CryptographicAlgorithm.RSA, 2048,
                                                     public_usage_mask=[enums.CryptographicUsageMask.VERIFY],
                                                     private_usage_mask=[enums.CryptographicUsageMask.SIGN])
            client.activate(public)
            client.activate(private)
            how = {"padding_method": enums.PaddingMethod.PKCS1v15, "hashing_algorithm": enums.HashingAlgorithm.SHA_256,
                   "cryptographic_algorithm": enums.CryptographicAlgorithm.RSA}
            signature = client.sign(b"data", private, how)
            equal(client.signature_verify(b"data", signature, public, how), enums.ValidityIndicator.VALID)
            equal(client.signature_verify(b"date", signature, public, how), enums.ValidityIndicator.INVALID)

    @step("a name is taken once")
    def _():
        refused(list(enums.ResultReason), client.create, AES, 256, name=prefix + "registered", cryptographic_usage_mask=masks)

    @step("a missing object and another domain's are the same")
    def _():
        missing = refused(absent, other.get, "00000000-0000-7000-8000-000000000000")
        foreign = refused(absent, other.get, uid["registered"])
        equal(foreign.replace(uid["registered"], "ID"), missing.replace("00000000-0000-7000-8000-000000000000", "ID"))
        for call in (other.activate, other.destroy, other.get_attributes, other.get_attribute_list):
            refused(absent, call, uid["registered"])

    @step("another domain finds nothing and has its own names")
    def _():
        equal(other.locate(attributes=named("registered")), [])
        u = other.create(AES, 128, name=prefix + "registered", cryptographic_usage_mask=masks)
        equal(other.locate(attributes=named("registered")), [u])
        equal(client.locate(attributes=named("registered")), [uid["registered"]])
        refused(absent, client.get, u)


main()
