# gridmap as a command: docker run --rm -v "$PWD:/data" gridmap validate grid.gpkg
FROM python:3.12-slim AS build
COPY . /source
RUN pip install --no-cache-dir --prefix=/gridmap /source

FROM python:3.12-slim
COPY --from=build /gridmap /usr/local
RUN useradd --create-home planner && mkdir /data && chown planner /data
USER planner
WORKDIR /data
ENV PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/home/planner/.cache/numba
ENTRYPOINT ["gridmap"]
CMD ["--help"]
