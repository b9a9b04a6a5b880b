# Keep the first half of the backbone's depth as it was pretrained.

freezing = dict(type="FreezingHook", share=0.5)
