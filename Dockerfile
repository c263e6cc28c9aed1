# hostplate with its solver, mesher and compiler. Results go to the mounted folder /results:
#   docker build -t hostplate .
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/results" hostplate run trilayer_cg --ranks 2
FROM debian:trixie-slim

# MPICH may not read another rank's memory under Docker's seccomp profile; one thread a rank.
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 \
    MPIR_CVAR_CH4_CMA_ENABLE=0 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates python3 python3-venv gcc libc6-dev \
      libglu1-mesa libgl1 libegl1 libxcursor1 libxft2 libxinerama1 libgomp1 \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/hostplate
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY fem fem
COPY geometries geometries
COPY scripts/cases scripts/cases
COPY scripts/hosts scripts/hosts
COPY scripts/build_commit.py scripts/build_commit.py
# --build-arg HOSTPLATE_COMMIT="$(git rev-parse HEAD)": what results name as their code
ARG HOSTPLATE_COMMIT=""
LABEL org.opencontainers.image.title="hostplate" \
      org.opencontainers.image.description="MPI-parallel finite elements for metal plating and stripping in porous 3D hosts" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$HOSTPLATE_COMMIT" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.authors="the hostplate authors" \
      org.opencontainers.image.source="https://hostplate.invalid/hostplate" \
      org.opencontainers.image.base.name="docker.io/library/debian:trixie-slim"
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir -c constraints.txt ".[wheel]"
ENV PATH=/opt/venv/bin:$PATH

# Compile the forms of small cases now (2D, 3D, growth, nucleation), for any user id (the entry point
# copies them from a read-only root).
ENV XDG_CACHE_HOME=/opt/cache
COPY scripts/batch/entrypoint scripts/batch/warm /usr/local/bin/
RUN warm /tmp/warm \
 && rm -rf /tmp/warm \
 && chmod -R a+rwX /opt/cache

RUN useradd --create-home hostplate \
 && mkdir /results \
 && chmod 1777 /results
USER hostplate
WORKDIR /results
ENTRYPOINT ["entrypoint"]
CMD ["--help"]
