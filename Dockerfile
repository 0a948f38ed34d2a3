# The server in a container, see docs/containers.md:
#
#     docker build -t redistill .
#     docker run -e REDIS_PASSWORD=... -p 6379:6379 -p 127.0.0.1:8080:8080 --read-only redistill
#
# BASE is any image with Debian 12 or later. pip takes PIP_INDEX_URL and PIP_CERT for a mirror of PyPI:
# --build-arg PIP_INDEX_URL=https://...
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends build-essential python3-dev python3-venv
ARG PIP_INDEX_URL
ARG PIP_CERT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY . /src
# pip stays outside of what is copied, and so do the tests of the libraries and versions of
# Lua that no script uses. Twisted's list of plugins is made here, since
# the server cannot write it.
RUN python3 -m venv /tools && python3 -m venv --without-pip /opt/redistill && \
    /tools/bin/pip --python /opt/redistill/bin/python install /src && \
    find /opt/redistill/lib -depth -type d \( -name test -o -name tests -o -name newsfragments \) -exec rm -r {} + && \
    find /opt/redistill/lib -path '*/lupa/*.so' ! -name 'lua51.*' -delete && \
    find /opt/redistill/lib -name '*.so' -exec strip --strip-unneeded {} + && \
    /opt/redistill/bin/python -c 'from twisted import plugin; list(plugin.getPlugins(plugin.IPlugin))'

FROM ${BASE}
# curl is for health checks that are written with it; the one below needs none.
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends curl python3 && \
    rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* && \
    groupadd --system --gid 6379 redistill && \
    useradd --system --uid 6379 --gid 6379 --home-dir /nonexistent --no-create-home redistill && \
    mkdir /etc/redistill
COPY --from=build /opt/redistill /opt/redistill
# A container has its own network, so the server listens on all its addresses, and therefore asks for a password. These
# variables override the file /etc/redistill/redistill.toml; an empty one leaves its setting to the file.
ENV PATH=/opt/redistill/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    REDIS_BIND="0.0.0.0 -::" REDIS_HEALTH_CHECK_PORT=8080 REDIS_HEALTH_CHECK_BIND=0.0.0.0
# By number, so that Kubernetes can see that it is not root.
USER 6379:6379
EXPOSE 6379 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["redistill", "health"]
# SIGTERM: the clients finish, for at most server.shutdown_grace_period_secs; docker stop must wait longer than that.
STOPSIGNAL SIGTERM
CMD ["redistill"]
