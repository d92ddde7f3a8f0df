"""Our Vision Transformer in plain PyTorch, over the weights of one of our model files."""
import json

import torch
import torch.nn.functional as F
from safetensors import safe_open


class VisionTransformer(torch.nn.Module):
    """nn/vit.cpp without dropout. Parameters keep our names, with "_" for "."."""

    def __init__(self, path):
        super().__init__()
        with safe_open(path, "pt") as file:
            self.config = json.loads(file.metadata()["espalier.config"])
            for name in file.keys():
                self.register_parameter(name.replace(".", "_"),
                                        torch.nn.Parameter(file.get_tensor(name)))
        if self.config["dropout"] or self.config["drop_path"]:
            raise ValueError(f"{path}: a model with dropout or drop path has no counterpart here")

    def weight(self, name):
        return getattr(self, name.replace(".", "_"))

    def linear(self, x, name):
        return F.linear(x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"))

    def norm(self, x, name):
        weight = self.weight(f"{name}.weight")
        return F.layer_norm(x, weight.shape, weight, self.weight(f"{name}.bias"), 1e-5)

    def conv(self, x, name, **options):
        bias = getattr(self, f"{name}.bias".replace(".", "_"), None)
        return F.conv2d(x, self.weight(f"{name}.weight").permute(0, 3, 1, 2), bias, **options)

    def tokenize(self, images):
        x, c = images.permute(0, 3, 1, 2), self.config
        if c["tokenizer"] == "patch":
            x = self.conv(x, "tokenizer.0", stride=c["patch_size"])
        else:
            last = len(c["conv_channels"])
            for i in range(last + 1):
                x = F.relu(self.conv(x, f"tokenizer.{i}", padding=1))
                if (last - i) % c["convs_per_pool"] == 0:
                    x = F.max_pool2d(x, 3, 2, 1)
        return x.flatten(2).transpose(1, 2)

    def attend(self, x, name):
        batch, tokens, width = x.shape
        qkv = self.linear(x, f"{name}.qkv").view(batch, tokens, 3, self.config["heads"], -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return self.linear(mixed.reshape(batch, tokens, width), f"{name}.proj")

    def pool(self, tokens):
        if self.config["pooling"] == "class":
            return tokens[:, 0]
        shares = self.linear(tokens, "attention_pool").transpose(1, 2).softmax(-1)
        return (shares @ tokens).squeeze(1)

    def forward(self, images):
        x = self.tokenize(images)
        if self.config["pooling"] == "class":
            x = torch.cat([self.weight("class_token").expand(len(x), -1, -1), x], 1)
        x = x + self.weight("positions")
        for i in range(self.config["depth"]):
            block = f"blocks.{i}"
            x = x + self.attend(self.norm(x, f"{block}.norm1"), f"{block}.attention")
            hidden = F.gelu(self.linear(self.norm(x, f"{block}.norm2"), f"{block}.mlp.fc1"))
            x = x + self.linear(hidden, f"{block}.mlp.fc2")
        return self.linear(self.pool(self.norm(x, "norm")), "head")
