# gridmap as a command: docker run --rm -v "$PWD:/work" gridmap validate grid.gpkg
FROM python:3.12-slim AS build
COPY . /source
RUN pip install --no-cache-dir --prefix=/gridmap /source

FROM python:3.12-slim
COPY --from=build /gridmap /usr/local
RUN useradd --create-home planner && mkdir /work && chown planner /work
USER planner
WORKDIR /work
ENV PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/tmp/numba
ENTRYPOINT ["gridmap"]
CMD ["--help"]
