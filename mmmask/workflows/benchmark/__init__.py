"""How fast is it, beside the model alone, stock MMPretrain and a loop of timm and torchvision?"""
