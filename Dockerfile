# The gateway as an image: one service, numeric user, nothing to write but its state.
#
#   docker build -t tse-gateway .
#
# BASE is any Debian-like image with Python 3.11 or newer and its venv module; amd64 and arm64 have wheels for all of
# .ci/requirements.txt, so that nothing is compiled. Built twice from the same base, for example by
# `buildah build --timestamp 0`, the layers are the same, byte for byte. Dependabot updates tag and digest in FROM only.
ARG BASE=python

FROM python:3.13-slim-trixie@sha256:3dd7cc108ec1493442514f5c2a871af6af0ec31d768ff6e378a93340c3b3db5f AS python

FROM ${BASE} AS build
WORKDIR /src
COPY .ci/requirements.txt .ci/sbom.py ./
# pip stays in this stage. Without pip's own bytecode: it would carry the time of the build.
RUN python3 -m venv --without-pip /opt/tse-gateway \
    && python3 -m venv /opt/pip \
    && /opt/pip/bin/pip --python /opt/tse-gateway/bin/python install --disable-pip-version-check --no-cache-dir \
        --no-compile --only-binary=:all: --require-hashes -r requirements.txt
COPY gateway ./gateway
COPY LICENSE ./
# Compiled here, since the root is read-only later; by hash, so that times of files do not matter.
RUN site=$(/opt/tse-gateway/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && cp -r gateway "$site/" \
    && printf '#!/opt/tse-gateway/bin/python -I\nfrom gateway.cli import main\n\nmain()\n' \
        > /opt/tse-gateway/bin/tse-gateway \
    && chmod 755 /opt/tse-gateway/bin/tse-gateway \
    && /opt/tse-gateway/bin/python -m compileall -q --invalidation-mode unchecked-hash "$site" \
    && find /opt/tse-gateway/bin -type f ! -name tse-gateway -delete \
    && rm -rf /opt/tse-gateway/share && mkdir /opt/tse-gateway/share \
    && cp LICENSE /opt/tse-gateway/share/ \
    && /opt/tse-gateway/bin/python -I sbom.py /opt/tse-gateway/share \
    && /opt/tse-gateway/bin/python -I -c 'import ctypes, zoneinfo; ctypes.CDLL("libudev.so.1"); zoneinfo.ZoneInfo("Europe/Berlin"); import gateway.app.gateway' \
    && /opt/tse-gateway/bin/tse-gateway version

FROM ${BASE}
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tse-gateway" \
      org.opencontainers.image.description="Serves Swissbit USB TSEs to the network by the LAN-TSE protocol" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/tse-gateway/tse-gateway" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Without su, mount and the like as root: nobody in here becomes another user. 10001 is also the group of TSEs on the
# host, see udev/README.md.
RUN find / -xdev -type f -perm /6000 -exec chmod ug-s {} + \
    && groupadd --gid 10001 tse \
    && SOURCE_DATE_EPOCH=86400 useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin tse \
    && install -d -o 10001 -g 10001 -m 700 /var/lib/tse-gateway
COPY --from=build /opt/tse-gateway /opt/tse-gateway
ENV PATH=/opt/tse-gateway/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_STATE_DIR=/var/lib/tse-gateway
USER 10001:10001
WORKDIR /var/lib/tse-gateway
VOLUME /var/lib/tse-gateway
EXPOSE 4433
STOPSIGNAL SIGTERM
# Alive, not "a TSE is there": a restart would not bring the TSE back.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 CMD ["tse-gateway", "healthcheck"]
ENTRYPOINT ["tse-gateway"]
CMD ["serve"]
