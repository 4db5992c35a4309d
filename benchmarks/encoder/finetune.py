"""Fine-tunes the sentence encoder of the embedded judge and writes it as int8 ONNX.

Not needed to use Akrasia, nor to train a head of one's own (`akrasia judge train`): this is how the file
`encoder.onnx` came about. It needs torch, transformers, onnx and onnxruntime, a folder with sentence-transformers'
all-MiniLM-L6-v2 (Apache-2.0) in Hugging Face's layout, and the ValueEval files:

    python benchmarks/encoder/finetune.py --base all-MiniLM-L6-v2 --valueeval valueeval -o encoder.onnx

About half an hour on one core for each run; the weights of the runs are averaged. The groups for which `unseen` is
true are left out, so that thresholds can be tuned on them. Presence has one direction per value, begun at the vector of
the value's definition and shared between speech and arguments; polarity is one direction for all values plus a small
one for each: few labels per value are enough.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertModel

from akrasia.judges.encoder_head import CATEGORIES
from akrasia.judges.training_rows import Rows, read_sentences, sentence_rows, unseen, valueeval_rows
from akrasia.values import OBJECTIVITY, taxonomy

MAX_TOKENS = 64
BATCH = 16
SCALE = 6.0
WEIGHT_ARGUMENTS = 0.5
WEIGHT_NEUTRAL = 0.25
WEIGHT_POLARITY = 0.15
WEIGHT_PRESENCE = 3.0
SHARE_ARGUMENTS = 0.3
"""Of the arguments, how many are drawn in each epoch."""


class Encoder(nn.Module):
    """Token ids of one text → two unit vectors side by side: the mean of the tokens, and an attended mean."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.bert = BertModel.from_pretrained(base, add_pooling_layer=False, attn_implementation="sdpa")
        self.attend = nn.Linear(self.bert.config.hidden_size, 1)
        nn.init.zeros_(self.attend.weight)
        nn.init.zeros_(self.attend.bias)
        self.bert.embeddings.word_embeddings.weight.requires_grad_(False)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """(N, T) token ids, and a mask where texts are padded, to (N, 2 · width) vectors."""
        mask = torch.ones_like(ids) if mask is None else mask
        tokens = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        counts = mask[..., None].to(tokens.dtype)
        share = torch.softmax(self.attend(tokens)[..., 0].masked_fill(mask == 0, -1e9), dim=1)[..., None]
        mean = (tokens * counts).sum(1) / counts.sum(1)
        return torch.cat(
            [functional.normalize(mean, dim=1), functional.normalize((tokens * share).sum(1), dim=1)], dim=1
        )


class Heads(nn.Module):
    """Logits of presence in speech, polarity, and presence in arguments."""

    def __init__(self, definitions: Tensor) -> None:
        super().__init__()
        width, count = definitions.shape[1], len(definitions)
        self.present, self.shift = nn.Linear(width, count), nn.Linear(width, count)
        self.common, self.own = nn.Linear(width, 1), nn.Linear(width, count)
        for layer in (self.shift, self.common, self.own):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.present.weight.copy_(functional.normalize(definitions - definitions.mean(0), dim=1))
            self.present.bias.fill_(-3.0)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 2 · width) vectors to three (N, 20) logits."""
        mean, attended = (SCALE * half for half in vectors.chunk(2, dim=1))
        present = self.present(mean)
        return present, self.common(attended) + self.own(attended), present + self.shift(mean)


class Texts:
    """Rows with their token ids, without the groups that are kept for tuning."""

    def __init__(self, rows: Rows, tokenizer: Tokenizer) -> None:
        kept = [at for at, group in enumerate(rows.groups) if not unseen(group)]
        self.ids = [tokenizer.encode(rows.texts[at]).ids for at in kept]
        self.upholds = torch.tensor(rows.upholds[kept], dtype=torch.float32)
        self.betrays = torch.tensor(rows.betrays[kept], dtype=torch.float32)


def definitions() -> list[str]:
    """What each category means, as one text."""
    return [
        f"{value.name.replace(': ', ' of ')}. {value.definition} {'. '.join(value.upholds)}".strip()
        for value in (*taxonomy("schwartz-19").values, OBJECTIVITY)
    ]


def padded(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and mask of a batch."""
    longest = max(map(len, ids))
    rows = torch.zeros(len(ids), longest, dtype=torch.long)
    mask = torch.zeros(len(ids), longest, dtype=torch.long)
    for at, one in enumerate(ids):
        rows[at, : len(one)] = torch.tensor(one)
        mask[at, : len(one)] = 1
    return rows, mask


def batches(speech: Texts, arguments: Texts, rng: np.random.Generator) -> Iterator[list[tuple[bool, int]]]:
    """One epoch of mixed batches of about equal lengths: (is it speech, index)."""
    some = rng.permutation(len(arguments.ids))[: int(SHARE_ARGUMENTS * len(arguments.ids))]
    order = [(True, int(at)) for at in range(len(speech.ids))] + [(False, int(at)) for at in some]
    order = [order[at] for at in rng.permutation(len(order))]
    for first in range(0, len(order), 40 * BATCH):
        chunk = sorted(order[first : first + 40 * BATCH], key=lambda one: len(_ids(speech, arguments, one)))
        cut = [chunk[at : at + BATCH] for at in range(0, len(chunk), BATCH)]
        yield from (cut[at] for at in rng.permutation(len(cut)))


def _ids(speech: Texts, arguments: Texts, one: tuple[bool, int]) -> list[int]:
    return (speech if one[0] else arguments).ids[one[1]]


def batch_loss(
    logits: tuple[Tensor, Tensor, Tensor], batch: list[tuple[bool, int]], speech: Texts, arguments: Texts
) -> Tensor:
    """The weighted sum of log losses of one batch, per text."""
    present, polarity, appeals = logits
    said = [at for at, (is_speech, _) in enumerate(batch) if is_speech]
    argued = [at for at, (is_speech, _) in enumerate(batch) if not is_speech]
    rows = [batch[at][1] for at in said]
    upholds, betrays = speech.upholds[rows], speech.betrays[rows]
    expressed = (upholds + betrays).clamp(max=1)
    neutral = [at for at, row in zip(said, expressed, strict=True) if not row.any()]
    loss = WEIGHT_PRESENCE * _log_loss(present[said], expressed).mean(1).sum()
    loss = loss + WEIGHT_POLARITY * (_log_loss(polarity[said], upholds) * (upholds + betrays == 1)).sum()
    loss = loss + WEIGHT_NEUTRAL * _log_loss(appeals[neutral], torch.zeros(len(neutral), len(CATEGORIES))).mean(1).sum()
    wanted = arguments.upholds[[batch[at][1] for at in argued]]
    loss = loss + WEIGHT_ARGUMENTS * _log_loss(appeals[argued], wanted).mean(1).sum()
    return loss / len(batch)


def _log_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def finetune(encoder: Encoder, tokenizer: Tokenizer, speech: Texts, arguments: Texts, epochs: int, seed: int) -> None:
    """Train encoder and heads together; the heads are thrown away, since `akrasia judge train` fits better ones."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        encoder.eval()
        meant = encoder(*padded([tokenizer.encode(text).ids for text in definitions()]))
    heads = Heads(meant.chunk(2, dim=1)[0])
    body = [weight for name, weight in encoder.named_parameters() if name.startswith("bert") and weight.requires_grad]
    fresh = [*heads.parameters(), *encoder.attend.parameters()]
    optimiser = torch.optim.AdamW([{"params": body, "lr": 2e-4}, {"params": fresh, "lr": 1e-3}], weight_decay=0.01)
    steps = epochs * sum(1 for _ in batches(speech, arguments, np.random.default_rng(seed)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (0.1 * steps), max(0.0, (steps - step) / (0.9 * steps)))
    )
    encoder.train()
    for epoch in range(epochs):
        total = count = 0.0
        for batch in batches(speech, arguments, rng):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                vectors = encoder(*padded([_ids(speech, arguments, one) for one in batch]))
                logits = heads(functional.dropout(vectors, 0.1))
            loss = batch_loss(tuple(part.float() for part in logits), batch, speech, arguments)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([*body, *fresh], 1.0)
            optimiser.step()
            schedule.step()
            total, count = total + loss.item(), count + 1
        print(f"epoch {epoch + 1} of {epochs}: loss {total / count:.4f}", flush=True)


def export(encoder: Encoder, path: Path) -> None:
    """Write the encoder as int8 ONNX: token ids of one text in, its vector out.

    Seven-bit weights (`reduce_range`) cannot overflow on processors without int8 dot products, so that all processors
    compute the same integers.
    """
    encoder.eval()
    encoder.bert.set_attn_implementation("eager")
    with tempfile.TemporaryDirectory() as folder:
        whole = str(Path(folder) / "whole.onnx")
        torch.onnx.export(
            encoder, (torch.ones(1, 7, dtype=torch.long),), whole, input_names=["input_ids"],
            output_names=["vector"], dynamic_axes={"input_ids": {1: "tokens"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
        quantize_dynamic(whole, str(path), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


def average(runs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The plain mean of the weights of several runs from one start: better than either, and no larger."""
    return {
        name: torch.stack([run[name] for run in runs]).mean(0) if first.is_floating_point() else first
        for name, first in runs[0].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--valueeval", type=Path, required=True, help="folder of the ValueEval files")
    parser.add_argument("-o", "--out", type=Path, default=Path("encoder.onnx"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--runs", type=int, default=2, help="how many are averaged")
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the others count on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(Path(options.base) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    speech = Texts(sentence_rows(read_sentences(), "train"), tokenizer)
    arguments = Texts(valueeval_rows(options.valueeval, "training"), tokenizer)
    runs = []
    for seed in range(options.seed, options.seed + options.runs):
        torch.manual_seed(seed)
        encoder = Encoder(options.base)
        finetune(encoder, tokenizer, speech, arguments, options.epochs, seed)
        runs.append(encoder.state_dict())
    encoder.load_state_dict(average(runs))
    export(encoder, options.out)


if __name__ == "__main__":
    main()
