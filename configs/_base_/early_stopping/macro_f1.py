# End the run when macro F1 has not risen for 5 validations. It needs validations.

early_stopping = dict(type="ResumableEarlyStoppingHook", monitor="macro_f1", patience=5)
