# docker build -t mmwsss .                                                                    (CPU)
# docker build -t mmwsss --build-arg BASE=nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04 \
#     --build-arg INDEX=https://download.pytorch.org/whl/cu126 .                              (CUDA)
# (BASE and INDEX of one CUDA version, one that pytorch.org builds this torch for)
# docker run --rm --shm-size 8g [--gpus all] -v "$PWD":/work mmwsss pipeline configs/demo/ktse_shapes.py
ARG BASE=ubuntu:24.04
FROM ${BASE}
# Where torch and torchvision come from.
ARG INDEX=https://download.pytorch.org/whl/cpu

# OpenCV needs libgl1 and libglib2.0-0t64, pydensecrf2 a compiler.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        build-essential libgl1 libglib2.0-0t64 python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/mmwsss
ENV PATH=/opt/mmwsss/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /src
# The packages are a layer of their own, which changes of the code leave as it is.
COPY requirements requirements
RUN grep -E '^torch(vision)?==' requirements/constraints.txt > torch.txt \
    && pip install --index-url "$INDEX" -r torch.txt \
    && pip install -c requirements/constraints.txt \
        -r requirements/runtime.txt -r requirements/optional.txt
COPY . .
RUN pip install --no-deps . && rm -rf /src

WORKDIR /work
ENTRYPOINT ["mmwsss"]
CMD ["--help"]
