"""Coverage: the proof that cells tile an area, the explanation where not, and the repair."""

from __future__ import annotations

from gridmap.coverage.proof import ParentProof as ParentProof
from gridmap.coverage.proof import Proof as Proof
from gridmap.coverage.proof import prove as prove
