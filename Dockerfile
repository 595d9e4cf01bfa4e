# Builds the binary and puts it, alone, on a small system.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY docs/architecture.md docs/architecture.md
# The benchmark is named in Cargo.toml and not built here.
RUN mkdir -p benches/hit && echo 'fn main() {}' > benches/hit/main.rs \
    && cargo build --locked --profile dist --bin reprise

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/reprise --create-home reprise
COPY --from=build /src/target/dist/reprise /usr/local/bin/reprise
USER reprise
ENV REPRISE_LISTEN=0.0.0.0:8080 \
    REPRISE_DATA_DIR=/var/lib/reprise
VOLUME /var/lib/reprise
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["reprise", "healthcheck"]
ENTRYPOINT ["reprise"]
CMD ["serve"]
