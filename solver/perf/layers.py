"""What the layers of a published config.json hold: how many of each kind, and each kind's counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InputError

LIMIT = 10**9  # no field of a published config comes near; keeps hostile files from huge integers
FULL = frozenset({"full_attention", "attention", "global_attention", "deepseek_sparse_attention"})
SLIDING = frozenset({"sliding_attention", "chunked_attention", "local_attention"})
LINEAR = frozenset({"linear_attention", "mamba", "mamba2"})
FFN_ONLY = frozenset({"moe", "mlp"})
PATTERN = {"M": "mamba", "*": "attention", "E": "moe", "-": "mlp"}  # hybrid_override_pattern letters


@dataclass(frozen=True, slots=True)
class Config:
    """A parsed config.json whose fields are read strictly."""

    fields: dict[str, Any]
    where: str

    def whole(self, *names: str, default: int | None = None) -> int:
        """The first of these fields that is set, as a whole number from 0 to LIMIT."""
        for name in names:
            value = self.fields.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LIMIT:
                raise InputError(f"field {name!r} must be a whole number, not {value!r:.60}", where=self.where)
            if value == 0 and default is None:
                raise InputError(f"field {name!r} must be positive", where=self.where)
            return value
        if default is None:
            raise InputError(
                f"field {' or '.join(map(repr, names))} is missing",
                where=self.where,
                mend="give the model's own config.json",
            )
        return default

    def text(self, name: str) -> str:
        """A field that must be a non-empty text."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise InputError(f"field {name!r} is missing", where=self.where, mend="give the model's own config.json")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """A field that is true or false."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise InputError(f"field {name!r} must be true or false, not {value!r:.60}", where=self.where)
        return default if value is None else value

    def sequence(self, name: str) -> list[Any]:
        """A list field; [] when it is not set."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, list):
            raise InputError(f"field {name!r} must be a list", where=self.where)
        return value or []


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """How many layers of each kind; an FFN may stand in the same layer as attention or in its own."""

    layers: int
    full: int
    sliding: int
    linear: int
    moe: int
    dense: int
    window: int  # tokens


@dataclass(frozen=True, slots=True)
class Attention:
    """One softmax-attention layer."""

    parameters: int
    cache_values: float  # per token
    prefill_flop: int  # per token and earlier token
    decode_flop: int
    kv_heads: int
    latent: bool


@dataclass(frozen=True, slots=True)
class Linear:
    """All linear-attention (gated delta, Kimi delta, Mamba-2) layers together."""

    parameters: int = 0
    state_values: int = 0  # per sequence


@dataclass(frozen=True, slots=True)
class Experts:
    """The experts of one MoE layer."""

    count: int = 0
    per_token: int = 0
    width: int = 0  # intermediate size of one expert
    shared_width: int = 0  # of all shared experts together
    hidden: int = 0  # width the experts read: smaller than hidden_size in a latent MoE


@dataclass(frozen=True, slots=True)
class Index:
    """Indexer of sparse attention, all layers together."""

    selected: int = 0
    parameters: int = 0
    cache_values: float = 0.0


def layer_plan(c: Config) -> LayerPlan:
    """Count the layers by kind."""
    kinds = _mixed_kinds(c)
    if kinds is not None:  # one mixer or one FFN a layer
        counts = {kind: sum(k in group for k in kinds) for kind, group in _GROUPS.items()}
        return LayerPlan(len(kinds), counts["full"], 0, counts["linear"], counts["moe"], counts["mlp"], 0)
    layers = c.whole("num_hidden_layers")
    full, sliding, linear, window = _attention_kinds(c, layers)
    moe = _moe_layers(c, layers)
    dense = layers if c.flag("enable_moe_block", default=False) else layers - moe
    return LayerPlan(layers, full, sliding, linear, moe, dense, window if sliding else 0)


_GROUPS = {"full": FULL, "linear": LINEAR, "moe": frozenset({"moe"}), "mlp": frozenset({"mlp"})}


def _mixed_kinds(c: Config) -> list[str] | None:
    if "hybrid_override_pattern" in c.fields:
        kinds = [PATTERN.get(letter, letter) for letter in c.text("hybrid_override_pattern")]
    elif "layers_block_type" in c.fields:
        kinds = [str(kind) for kind in c.sequence("layers_block_type")]
    else:
        return None
    _known(c, kinds, FULL | LINEAR | FFN_ONLY)
    return kinds


def _known(c: Config, kinds: list[str], allowed: frozenset[str]) -> None:
    strange = sorted(set(kinds) - allowed)
    if strange:
        raise InputError(f"layer kind {strange[0]!r} has no performance model", where=c.where)


def _attention_kinds(c: Config, layers: int) -> tuple[int, int, int, int]:
    """(full, sliding, linear) layer counts, and the window in tokens."""
    sliding, linear = _listed(c, layers) or _by_rule(c, layers)
    if sliding + linear > layers:
        raise InputError(f"more layer kinds are listed than {layers} layers", where=c.where)
    both = c.fields.get("compress_ratios") is not None  # a window and a compressed cache in every layer
    return (
        layers if both else layers - sliding - linear,
        sliding,
        linear,
        c.whole("sliding_window", "attention_chunk_size", default=0),
    )


def _listed(c: Config, layers: int) -> tuple[int, int] | None:
    """(sliding, linear) layers when the config lists its layers."""
    types = [str(t) for t in c.sequence("layer_types")]
    linear_config = c.fields.get("linear_attn_config")
    if types:
        _known(c, types, FULL | SLIDING | LINEAR)
        return sum(t in SLIDING for t in types), sum(t in LINEAR for t in types)
    if pattern := c.sequence("hybrid_layer_pattern"):
        return sum(map(bool, pattern)), 0
    if isinstance(linear_config, dict) and isinstance(linear_config.get("full_attn_layers"), list):
        return 0, layers - len(linear_config["full_attn_layers"])
    return None


def _by_rule(c: Config, layers: int) -> tuple[int, int]:
    """(sliding, linear) layers when the config gives a rule."""
    window = c.whole("sliding_window", default=0)
    sliding = linear = 0
    if interval := c.whole("full_attention_interval", default=0):
        linear = layers - layers // interval
    elif c.fields.get("attention_chunk_size") is not None:  # Llama 4: every fourth layer is global
        sliding = layers - layers // 4
    elif c.fields.get("compress_ratios") is not None:
        sliding = layers
    elif every := c.whole("sliding_window_pattern", default=0):  # Gemma 3
        sliding = layers - layers // every
    elif 0 < window < c.whole("max_position_embeddings", default=LIMIT) and c.flag("use_sliding_window", default=True):
        sliding = layers
    return sliding, linear


def _moe_layers(c: Config, layers: int) -> int:
    if not c.whole("n_routed_experts", "num_experts", "num_local_experts", default=0):
        return 0
    frequency = c.fields.get("moe_layer_freq")
    if isinstance(frequency, list):
        return sum(map(bool, frequency))
    if step := c.whole("interleave_moe_layer_step", "decoder_sparse_step", default=0):
        return layers // step - len(c.sequence("mlp_only_layers"))
    return max(0, layers - c.whole("first_k_dense_replace", default=0))


def attention(c: Config, *, sliding: bool) -> Attention:
    """Counts of one softmax-attention layer of the full or the sliding kind."""
    hidden, heads = c.whole("hidden_size"), c.whole("num_attention_heads")
    if c.fields.get("kv_lora_rank") is not None:
        return _latent_attention(c, hidden, heads)
    if c.fields.get("compress_ratios") is not None:
        return _compressed_attention(c, hidden, heads, sliding=sliding)
    kv = c.whole("num_key_value_heads", default=heads)
    dim = c.whole("head_dim", "attention_head_dim", default=hidden // heads)
    value_dim = c.whole("v_head_dim", default=dim)
    shared_kv = False
    if sliding:
        kv = c.whole("swa_num_key_value_heads", default=kv)
    elif c.fields.get("global_head_dim") is not None:  # Gemma 4: wide global heads, one projection for K and V
        dim = value_dim = c.whole("global_head_dim")
        shared_kv = c.flag("attention_k_eq_v", default=False)
        kv = c.whole("num_global_key_value_heads", default=kv) if shared_kv else kv
    if not 0 < kv <= heads or dim < 1:
        raise InputError(f"{kv} KV heads of {dim} for {heads} heads make no attention layer", where=c.where)
    queries = 2 if c.flag("attn_output_gate", default=False) else 1
    keys_values = kv * dim if shared_kv else kv * (dim + value_dim)
    parameters = hidden * (queries * heads * dim + keys_values) + heads * value_dim * hidden
    if c.flag("attention_bias", default=False):
        parameters += heads * dim + keys_values + hidden
    flop = 2 * heads * (dim + value_dim)
    return Attention(parameters, kv * (dim + value_dim), flop, flop, kv, latent=False)


def _latent_attention(c: Config, hidden: int, heads: int) -> Attention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): one compressed row a token for all heads."""
    rank, rope = c.whole("kv_lora_rank"), c.whole("qk_rope_head_dim", default=0)
    nope, value = c.whole("qk_nope_head_dim"), c.whole("v_head_dim")
    q_rank = c.whole("q_lora_rank", default=0)
    query = hidden * q_rank + q_rank * heads * (nope + rope) if q_rank else hidden * heads * (nope + rope)
    gate = hidden * heads * value if c.flag("mla_use_output_gate", default=False) else 0
    parameters = query + hidden * (rank + rope) + rank * heads * (nope + value) + heads * value * hidden + gate
    prefill, decode = 2 * heads * (nope + rope + value), 2 * heads * (2 * rank + rope)
    return Attention(parameters, rank + rope, prefill, decode, 1, latent=True)


def _compressed_attention(c: Config, hidden: int, heads: int, *, sliding: bool) -> Attention:
    """DeepSeek-V4: a sliding window of full rows, plus rows compressed by a ratio that differs by layer.

    Figures are the mean over layers of the compressed part; the window is counted with the sliding kind.
    """
    dim, q_rank, o_rank = c.whole("head_dim"), c.whole("q_lora_rank"), c.whole("o_lora_rank")
    if sliding:
        return Attention(0, dim, 4 * heads * dim, 4 * heads * dim, 1, latent=True)
    layers = c.whole("num_hidden_layers")
    ratios = [r for r in c.sequence("compress_ratios")[:layers] if isinstance(r, int) and r > 0]
    kept = sum(1 / r for r in ratios) / layers
    index = hidden * c.whole("index_head_dim") + q_rank * c.whole("index_n_heads") * c.whole("index_head_dim")
    index_share = sum(r == min(ratios, default=0) for r in ratios) / layers  # only the finest layers are indexed
    compressor = 2 * hidden * dim * len(ratios) / layers + 2 * hidden * dim * index_share
    parameters = (
        hidden * q_rank + q_rank * heads * dim + hidden * dim + o_rank * (heads * dim + c.whole("o_groups") * hidden)
    )
    flop = round(4 * heads * dim * kept)
    cache = dim * kept + index_share * c.whole("index_head_dim") / max(1, min(ratios, default=1))
    return Attention(round(parameters + compressor + index_share * index), cache, flop, flop, 1, latent=True)


def linear_attention(c: Config, layers: int) -> Linear:
    """Counts of all linear-attention layers: gated delta net, Kimi delta attention or Mamba-2."""
    if not layers:
        return Linear()
    hidden = c.whole("hidden_size")
    kimi = c.fields.get("linear_attn_config")
    if isinstance(kimi, dict):  # low-rank gates, separate q, k, v
        inner = Config(kimi, f"{c.where}: linear_attn_config")
        heads, dim = inner.whole("num_heads"), inner.whole("head_dim")
        parameters = 4 * hidden * heads * dim + 2 * dim * (hidden + heads * dim) + hidden * heads
        return Linear(layers * parameters, layers * heads * dim * dim)
    if c.fields.get("mamba_num_heads") is not None:
        value_heads, value_dim = c.whole("mamba_num_heads"), c.whole("mamba_head_dim")
        key_width, state = c.whole("n_groups") * c.whole("ssm_state_size"), c.whole("ssm_state_size")
        gates, kernel = value_heads, c.whole("conv_kernel", default=4)
    else:
        value_heads, value_dim = c.whole("linear_num_value_heads"), c.whole("linear_value_head_dim")
        key_width, state = (
            c.whole("linear_num_key_heads") * c.whole("linear_key_head_dim"),
            c.whole("linear_key_head_dim"),
        )
        gates, kernel = 2 * value_heads, c.whole("linear_conv_kernel_dim", default=4)
    value_width = value_heads * value_dim
    channels = 2 * key_width + value_width
    parameters = hidden * (channels + value_width + gates) + channels * kernel + value_width * hidden
    return Linear(layers * parameters, layers * (value_width * state + channels * (kernel - 1)))


def expert_shape(c: Config, moe_layers: int) -> Experts:
    """The experts of one MoE layer; all zero without any."""
    hidden = c.whole("hidden_size")
    if not moe_layers:
        return Experts(hidden=hidden)
    width = c.whole("moe_intermediate_size", "intermediate_size")
    shared = c.whole("n_shared_experts", "num_shared_experts", default=0)
    whole = c.whole("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", default=0)
    count = c.whole("n_routed_experts", "num_experts", "num_local_experts")
    per_token = c.whole("num_experts_per_tok", "experts_per_token", "num_experts_per_token", "top_k_experts")
    if per_token > count:
        raise InputError(f"{per_token} experts a token, but only {count} experts", where=c.where)
    return Experts(
        count=count,
        per_token=per_token,
        width=width,
        shared_width=whole or (width if c.fields.get("model_type") == "llama4_text" else shared * width),
        hidden=c.whole("moe_latent_size", "routed_expert_hidden_size", default=hidden),
    )


def dense_width(c: Config) -> int:
    """Intermediate size of a dense FFN layer."""
    return c.whole("dense_intermediate_size", "intermediate_size_mlp", "intermediate_size")


def sparse_index(c: Config, layers: int) -> Index:
    """Indexer of DeepSeek sparse attention: scores all earlier tokens, keeps the best."""
    selected = c.whole("index_topk", default=0)
    if not selected or c.fields.get("kv_lora_rank") is None:
        return Index(selected=0)
    heads, dim, rank = c.whole("index_n_heads"), c.whole("index_head_dim"), c.whole("q_lora_rank")
    own = sum(t == "full" for t in c.sequence("indexer_types")) or layers
    hidden = c.whole("hidden_size")
    return Index(selected, own * (rank * heads * dim + hidden * (dim + heads)), own * dim / 2)  # 1-byte keys
