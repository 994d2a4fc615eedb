# The image of Claviger: the program and SoftHSM on Debian. `make image` builds
# the program first; the base must be of the same Debian release or a later one,
# because the program is linked to the C library (PKCS#11 modules need it).
# Without a registry: deploy/images/build.sh makes a base that has everything.
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE}
RUN command -v softhsm2-util >/dev/null && [ -e /etc/ssl/certs/ca-certificates.crt ] \
	|| { apt-get update && apt-get install -y --no-install-recommends ca-certificates softhsm2 && rm -rf /var/lib/apt/lists/*; }
RUN useradd --system --uid 5696 --home-dir /var/lib/claviger --shell /usr/sbin/nologin claviger \
	&& mkdir -p /var/lib/claviger /var/lib/claviger-tokens /etc/claviger \
	&& chown claviger: /var/lib/claviger /var/lib/claviger-tokens \
	&& chmod 700 /var/lib/claviger /var/lib/claviger-tokens
COPY deploy/compose/softhsm2.conf /etc/claviger/softhsm2.conf
COPY deploy/compose/init.sh /usr/local/bin/claviger-compose-init
COPY deploy/build/claviger /usr/local/bin/claviger
ENV SOFTHSM2_CONF=/etc/claviger/softhsm2.conf
USER claviger
WORKDIR /var/lib/claviger
VOLUME ["/var/lib/claviger", "/var/lib/claviger-tokens"]
EXPOSE 5696 5697
ENTRYPOINT ["/usr/local/bin/claviger"]
CMD ["serve", "--config", "/etc/claviger/claviger.toml"]
