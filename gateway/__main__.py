# SPDX-License-Identifier: Apache-2.0
"""`python -m gateway` is `imip-gateway`."""

import sys

from gateway.cli.main import main

sys.exit(main())
