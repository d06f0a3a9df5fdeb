"""The `loop` engine's model: an encoder with dropout and one linear layer on its [CLS] state, and nothing between.

Importing this module makes transformers know the architecture: it then saves, publishes and loads like any other,
without remote code. It is imported where a model is loaded, as it brings torch with it.
"""

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

MODEL_TYPE = "verdict_cls"


class ClsConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """`encoder` is the encoder's own configuration, as a dictionary; `dropout` a share."""

    model_type = MODEL_TYPE

    encoder: dict[str, Any] | None = None
    dropout: float = 0.1
    max_position_embeddings: int = 512


class ClsForSequenceClassification(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Reads a text's label off the encoder's state at its first token, [CLS]."""

    config_class = ClsConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: ClsConfig) -> None:
        super().__init__(config)
        encoder_config = AutoConfig.for_model(**(config.encoder or {}))
        self.encoder = AutoModel.from_config(encoder_config)  # type: ignore[no-untyped-call]
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # BERT's extra layer above [CLS]
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.encoder.config.hidden_size, int(config.num_labels or 2))
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **given: Any,
    ) -> SequenceClassifierOutput:
        """(n, tokens) ids and mask -> (n, labels) logits; with (n,) `labels` also their mean cross-entropy."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **given).last_hidden_state
        logits = self.classifier(self.dropout(states[:, 0]))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


AutoConfig.register(MODEL_TYPE, ClsConfig, exist_ok=True)
AutoModelForSequenceClassification.register(ClsConfig, ClsForSequenceClassification, exist_ok=True)
