"""Coverage: the proof that cells tile an area, the explanation where not, and the repair."""

from __future__ import annotations

from gridmap.coverage.defects import findings as findings
from gridmap.coverage.mending import matched_boundary as matched_boundary
from gridmap.coverage.mending import outline_to_fill as outline_to_fill
from gridmap.coverage.mending import repair as repair
from gridmap.coverage.outline import outline_of as outline_of
from gridmap.coverage.proof import ParentProof as ParentProof
from gridmap.coverage.proof import Proof as Proof
from gridmap.coverage.proof import prove as prove
from gridmap.coverage.report import describe as describe
from gridmap.coverage.report import document as document
from gridmap.coverage.report import exportable as exportable
from gridmap.coverage.report import junit as junit
from gridmap.coverage.report import sentence as sentence
from gridmap.coverage.validation import validate as validate
