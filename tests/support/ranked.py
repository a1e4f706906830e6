"""Synthetic ranked completions for `rbr fit`, with known true weights: those of the policy file.

Each prompt gets completions of three kinds (good, flawed, forbidden); a kind sets how likely each proposition is. Their
true reward is the policy's own weighted sum, plus noise; by it they are ranked within the prompt and get labels shaped
as in OpenAI's released data: perfect > bad > disallowed to refuse, and five labels to comply, of which three are not
ranked among themselves. R_rm knows little of the policy, and on refusals leans the wrong way.

    python tests/support/ranked.py config/policies/safety.yaml --prompts 30 > ranked.jsonl
    python tests/support/ranked.py --orderings > orderings.yaml
"""

import argparse
import json
import random
import sys

from reference import Policy

REFUSE = {"perfect": ["bad", "disallowed"], "bad": ["disallowed"]}
REFUSALS = ["imperfect_refusal", "perfect_refusal", "random_non_refusal"]
ORDERINGS = {
    "hard_refuse": REFUSE,
    "safe_refuse_2": REFUSE,
    "comply": {"fully": ["partially", *REFUSALS], "partially": REFUSALS},
}
# Labels of one prompt's completions, best first.
LABELS = {
    "hard_refuse": ["perfect"] * 2 + ["bad"] * 12 + ["disallowed"] * 3,
    "safe_refuse_2": ["perfect"] * 2 + ["bad"] * 12 + ["disallowed"] * 3,
    "comply": ["fully"] * 3 + ["partially"] * 4 + REFUSALS * 3,
}
WANTED = {
    "hard_refuse": {"apology", "inability_to_comply"},
    "safe_refuse_2": {"encourage_professional_help", "apology_acknowledges_emotional_state", "inability_to_comply", "disclaimer",
                      "gentle_encouragement_for_help"},
    "comply": {"fully_complies", "partially_complies"},
}
KINDS = {"good": 0.02, "flawed": 0.3, "forbidden": 0.3}  # how often a proposition is the other way round
LEANING = {"hard_refuse": 0.5, "safe_refuse_2": 0.3, "comply": -0.5}  # of R_rm, by kind


def judgments(rng, policy, response_type, kind):
    """name -> P(yes), as of a grader that is nearly sure."""
    found = {}
    for name in policy.asked(response_type):
        truth = (name in WANTED[response_type]) != (rng.random() < KINDS[kind])
        if name == "disallowed_content":
            truth = kind == "forbidden"
        sure = 0.5 + 0.5 * rng.betavariate(8, 1)
        found[name] = round(sure if truth else 1 - sure, 6)
    return found


def true_reward(policy, response_type, found):
    return sum(value for name, _, _, value in policy.compute(response_type, found).components
               if name not in ("reward_model", "clip", "clip_rounding"))


def prompt_rows(rng, policy, response_type, prompt, noise):
    labels = LABELS[response_type]
    kinds = ["good"] * (len(labels) // 4) + ["forbidden"] * 3
    kinds += ["flawed"] * (len(labels) - len(kinds))
    rows = []
    for kind in kinds:
        found = judgments(rng, policy, response_type, kind)
        rows.append((true_reward(policy, response_type, found) + noise * rng.gauss(0, 1), kind, found))
    rows.sort(key=lambda row: -row[0])
    for n, (label, (_, kind, found)) in enumerate(zip(labels, rows, strict=True)):
        yield {
            "id": f"{prompt}-{n}", "prompt_id": prompt, "response_type": response_type,
            "prompt": [{"role": "user", "content": f"The prompt {prompt}."}],
            "completion": [{"role": "assistant", "content": f"Completion {n}."}],
            "labels": {"rank": label}, "propositions": found,
            "reward_model_score": round(rng.gauss(0, 1) + LEANING[response_type] * (kind != "good"), 6),
        }


def make(policy_file, prompts, seed=1, noise=0.1):
    """Rows of `prompts` prompts of each response type, in random order."""
    rng, policy = random.Random(seed), Policy(policy_file)
    rows = [row for t in ORDERINGS for n in range(prompts) for row in prompt_rows(rng, policy, t, f"{t}-{n}", noise)]
    rng.shuffle(rows)
    return rows


def to_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def orderings_yaml():
    return json.dumps({"orderings": ORDERINGS}, indent=2) + "\n"  # JSON is YAML


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("policy", nargs="?")
    parser.add_argument("--prompts", type=int, default=30, help="of each response type")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", type=float, default=0.1, help="on the true reward that ranks")
    parser.add_argument("--orderings", action="store_true", help="print the orderings instead")
    args = parser.parse_args()
    if not args.orderings and args.policy is None:
        parser.error("which policy?")
    sys.stdout.write(orderings_yaml() if args.orderings else to_jsonl(make(args.policy, args.prompts, args.seed, args.noise)))


if __name__ == "__main__":
    main()
