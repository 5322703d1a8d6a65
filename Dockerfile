# A BIDS App for the CPU:
#   docker build -t napari-metaseg .
#   docker run --rm -v DATA:/data:ro -v OUT:/out napari-metaseg /data /out participant
FROM python:3.11-slim

# The tested versions; PyPI's torch for Linux brings gigabytes of CUDA, this one is for the CPU.
COPY . /source
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
        --constraint /source/constraints.txt "/source[batch,dicom,strip]" \
    && rm -r /source

# Processes of Dask keep files here; the container may run under any user, on a read-only disk.
ENV DASK_TEMPORARY_DIRECTORY=/tmp HOME=/tmp
ENTRYPOINT ["napari-metaseg", "bids"]
