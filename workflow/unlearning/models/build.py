"""Build small models from random weights, and tokenizers trained on the experiment's tables."""

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from unlearning.errors import UserError

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"


def build_model(architecture: dict, vocabulary: int, seed: int) -> LlamaForCausalLM:
    """A Llama of the architecture's shape, with random weights that `seed` determines."""
    torch.manual_seed(seed)  # transformers draws from the global generator
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            num_hidden_layers=architecture["layers"],
            hidden_size=architecture["width"],
            intermediate_size=architecture["feed_forward"],
            num_attention_heads=architecture["heads"],
            num_key_value_heads=architecture["heads"],
            max_position_embeddings=architecture["context"],
            tie_word_embeddings=True,
            # the order of special tokens in train_tokenizer()
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
        )
    )


def train_tokenizer(kind: str, texts: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer trained on `texts`: `word` (each word and punctuation mark is a token) or `bpe`
    (byte-level).

    EOS differs from the padding token, because labels end in it. It is also the token that begins a
    sequence. UserError if `vocabulary` entries are too few for all words.
    """
    special = [PAD, EOS, UNKNOWN]
    if kind == "word":
        # Metaspace puts the space before a word into its token, so that decoding restores the text
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.normalizer = normalizers.Strip()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
        )
        tokenizer.decoder = decoders.Metaspace()
        trainer: trainers.Trainer = trainers.WordLevelTrainer(
            vocab_size=vocabulary, special_tokens=special
        )
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=special,
            # all 256 bytes, so that no text has unknown tokens
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    tokenizer.train_from_iterator(texts, trainer)
    # Rows that differ in a word that is left out would become one row, and no answer could have it.
    if kind == "word" and tokenizer.get_vocab_size() >= vocabulary:
        unknown = tokenizer.token_to_id(UNKNOWN)
        count = sum(unknown in encoding.ids for encoding in tokenizer.encode_batch(texts))
        if count:
            raise UserError(
                f"model.architecture.vocabulary: {vocabulary} entries leave out words of {count} "
                f"of the {len(texts)} texts of this world; raise it, or set tokenizer to bpe"
            )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        bos_token=EOS,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
