"""What `rbr fit` computes, again: features, pairs as differences, AdamW in plain Python as PyTorch's documentation states it."""

import math
import operator

import ranked

STEPS, LEARNING_RATE, DECAY, BETA1, BETA2, EPSILON = 1000, 0.01, 0.05, 0.9, 0.999, 1e-8


def dot(a, b):
    return sum(map(operator.mul, a, b))


def features(policy, row):
    response_type, p = row["response_type"], row["propositions"]
    values = {**policy.with_derived(p), **policy.product_classes(response_type, p)}
    return [values[name] for name in policy.features(response_type)]


def differences(policy, rows, response_type):
    """(phi(worse) - phi(better), margin + R_rm(worse) - R_rm(better)) of every pair."""
    ordering = ranked.ORDERINGS[response_type]
    prompts = {}
    for row in rows:
        if row["response_type"] == response_type:
            prompts.setdefault(row["prompt_id"], []).append((row, features(policy, row)))
    for items in prompts.values():
        for better, phi_better in items:
            for worse, phi_worse in items:
                if worse["labels"]["rank"] in ordering.get(better["labels"]["rank"], []):
                    yield (list(map(operator.sub, phi_worse, phi_better)),
                           1 + worse["reward_model_score"] - better["reward_model_score"])


def adamw(pairs):
    """(weights, training loss before each step and after the last)"""
    n, k = len(pairs), len(pairs[0][0])
    w, m, v, curve = [0.0] * k, [0.0] * k, [0.0] * k, []
    for t in range(1, STEPS + 2):
        hinges = [(h, d) for d, offset in pairs if (h := offset + dot(w, d)) > 0]
        curve.append(sum(h for h, _ in hinges) / n)
        if t > STEPS:
            break
        g = [sum(column) / n for column in zip(*(d for _, d in hinges))] or [0.0] * k
        for i in range(k):
            w[i] -= LEARNING_RATE * DECAY * w[i]
            m[i] = BETA1 * m[i] + (1 - BETA1) * g[i]
            v[i] = BETA2 * v[i] + (1 - BETA2) * g[i] ** 2
            w[i] -= LEARNING_RATE * (m[i] / (1 - BETA1**t)) / (math.sqrt(v[i] / (1 - BETA2**t)) + EPSILON)
    return w, curve
