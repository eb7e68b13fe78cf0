FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/millstream \
    && /opt/millstream/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY transforms transforms
COPY pipeline pipeline
RUN /opt/millstream/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
# The output folder belongs to the user, so that a volume mounted there does too.
RUN useradd --uid 1000 --create-home millstream && install --directory --owner 1000 --group 1000 /mill/out
COPY --from=build /opt/millstream /opt/millstream
ENV PATH=/opt/millstream/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Inputs are named relative to here, as on the host: a document has the same identity in both.
WORKDIR /mill
USER 1000:1000
ENTRYPOINT ["millstream"]
CMD ["--help"]
