"""Encodes FOLDER with imagededup and the same model, and finds duplicates: FOLDER MODEL OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from imagededup.methods import CNN
from imagededup.utils import CustomModel
from torchvision import transforms

if __name__ == "__main__":
    folder, model, out = sys.argv[1:]
    transform = transforms.Compose(
        [
            transforms.Resize((224, 224), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    custom = CustomModel(name="mini", model=torch.jit.load(model), transform=transform)
    method = CNN(verbose=False, model_config=custom)
    found = method.find_duplicates(
        image_dir=folder, min_similarity_threshold=0.9, recursive=True, num_enc_workers=0
    )
    Path(out).write_text(json.dumps(found))
