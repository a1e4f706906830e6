# rbr on Debian 12. Build: docker build -t rbr .    Run: docker run --rm rbr demo
# The packages are those of ./dev: tools/packages/build.txt and run.txt.

FROM debian:12-slim AS base
ENV DEBIAN_FRONTEND=noninteractive

FROM base AS build
WORKDIR /src
COPY tools/packages/build.txt /tmp/packages.txt
RUN apt-get update && sed 's/#.*//' /tmp/packages.txt | xargs apt-get install -y --no-install-recommends
COPY . .
RUN cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo && cmake --build build --target rbr

FROM base AS worker
COPY tools/packages/run.txt /tmp/packages.txt
RUN apt-get update && sed 's/#.*//' /tmp/packages.txt | xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/* /tmp/packages.txt \
    && useradd --system --no-create-home --shell /usr/sbin/nologin rbr \
    && install -d -o rbr -g rbr /var/lib/rbr
COPY --from=build /src/build/rbr /usr/local/bin/rbr
COPY config /etc/rbr
USER rbr
WORKDIR /etc/rbr
STOPSIGNAL SIGTERM
ENTRYPOINT ["rbr"]
CMD ["run", "-c", "/etc/rbr/worker.yaml"]
