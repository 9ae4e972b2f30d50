"""Whether receivers can believe the domain of a sender's From address: SPF, DKIM, DMARC and MX."""

from campaigns.domains.check import check, warnings
from campaigns.domains.findings import Finding, Record

__all__ = ["Finding", "Record", "check", "warnings"]
