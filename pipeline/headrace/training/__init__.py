"""The one LightningModule, the one DataModule, and what they need: order, augmentation, optimisers, callbacks."""
