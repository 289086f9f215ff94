"""Plans: what each request of the runtime makes of the facts a store shows it. Pure, and nothing else decides."""

from runengine.embedding.plans.acting import Act
from runengine.embedding.plans.creating import Birth
from runengine.embedding.plans.leasing import Claim, Heartbeat, Lapse, Release
from runengine.embedding.plans.moves import Context

__all__ = ["Act", "Birth", "Claim", "Context", "Heartbeat", "Lapse", "Release"]
