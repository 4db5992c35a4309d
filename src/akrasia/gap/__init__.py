"""The value–action gap on plain arrays: what is lost between the values stated, reasoned with, and acted on."""
