"""The pages that delivery serves: sending a campaign, its progress, who got what, the local mailbox."""
