#!/usr/bin/env bash
# Train on several processes, one per GPU, or on CPU cores where there is no GPU.
#
#   bash tools/dist_train.sh configs/effnet_b3_arcface.py 8 [train.py options]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 bash tools/dist_train.sh CONFIG 8   # on each machine
#
# On one machine the processes meet at a free port; of several, at PORT of the first, default 29500.
set -eu
if [ $# -lt 2 ]; then
    echo "usage: bash tools/dist_train.sh CONFIG NUM_PROCS [train.py options]" >&2
    exit 2
fi
config=$1
processes=$2
shift 2
if [ -n "${PORT:-}" ] || [ "${NNODES:-1}" != 1 ]; then
    port=${PORT:-29500}
    if [ "${NODE_RANK:-0}" = 0 ] && ! python -c "import socket; socket.create_server(('', $port))" \
        2>/dev/null; then
        echo "error: PORT must be a free port from 1 to 65535; got $port" >&2
        exit 2
    fi
    meeting=(--master-addr="${MASTER_ADDR:-127.0.0.1}" --master-port="$port")
else
    meeting=(--rdzv-backend=c10d --rdzv-endpoint=127.0.0.1:0 --local-addr=127.0.0.1)
fi
exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    "${meeting[@]}" \
    --nproc-per-node="$processes" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
