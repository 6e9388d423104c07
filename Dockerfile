# A static binary in an empty image: no shell, no libc, not root.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /src
COPY . .
# What `--version` and mycloud_lb_build_info say; .git is not copied.
ARG GIT_REVISION=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package my-cloud-controller-manager \
    && cp target/release/my-cloud-controller-manager /my-cloud-controller-manager

FROM scratch
COPY --from=build /my-cloud-controller-manager /usr/bin/my-cloud-controller-manager
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/my-cloud-controller-manager"]
