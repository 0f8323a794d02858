from vaelib import iwae_bound as iwae_bound  # noqa: PLC0414
