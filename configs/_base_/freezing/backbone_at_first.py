# Train the head alone for two epochs, then everything.

freezing = dict(type="FreezingHook", share=1, epochs=2)
