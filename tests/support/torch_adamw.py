"""PyTorch's own AdamW on pairs: a JSON array of [differences of a pair, offset] in, [weights, losses] out.

A program of its own, for Debian's Python, which has Debian's PyTorch. Exit code 3: there is no PyTorch. Double precision: in
float, as the released code runs, rounding alone moves weights by more than 1e-4.
"""

import json
import sys

try:
    import torch
except ImportError:
    sys.exit(3)

STEPS = 1000


def main():
    torch.set_num_threads(1)
    pairs = json.load(sys.stdin)
    d = torch.tensor([difference for difference, _ in pairs], dtype=torch.float64)
    offset = torch.tensor([o for _, o in pairs], dtype=torch.float64)
    w = torch.zeros(d.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([w], lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05)
    losses = []
    for step in range(STEPS + 1):
        optimizer.zero_grad()
        loss = torch.relu(offset + d @ w).mean()
        losses.append(loss.item())
        if step < STEPS:
            loss.backward()
            optimizer.step()
    json.dump([w.tolist(), losses], sys.stdout)


main()
