module github.com/claviger/claviger/testenv/ovh

go 1.26.0

require github.com/ovh/kmip-go v0.8.0
