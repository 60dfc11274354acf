# SPDX-License-Identifier: Apache-2.0
"""What is known about who sent a mail: DNS, DKIM, DMARC alignment, and all of it as one value of evidence."""
