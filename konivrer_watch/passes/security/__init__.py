"""The security pass: bandit's own plugins, kept warm and given bytes.

``profile`` says what is configured and which files count, without importing bandit; ``driver``
judges, and imports it.
"""
