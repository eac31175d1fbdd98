# syntax=docker/dockerfile:1
# The image holds one static file and nothing else: no shell, no package manager, no libc. It runs as user 65532.

FROM rust:1.95-alpine AS build
RUN apk add --no-cache gcc make musl-dev
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist && cp target/dist/vestibule /vestibule
RUN mkdir -p /root-of-image/etc/vestibule \
    && echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' > /root-of-image/etc/passwd \
    && echo 'nonroot:x:65532:' > /root-of-image/etc/group

FROM scratch
COPY --from=build /root-of-image/ /
COPY --from=build /vestibule /vestibule
USER 65532:65532
EXPOSE 8080
# Mount the configuration at /etc/vestibule/vestibule.toml. Secrets come as environment variables or as mounted files.
# Asks the admin or health listener that this configuration names.
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s CMD ["/vestibule", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/vestibule"]
CMD ["serve"]
