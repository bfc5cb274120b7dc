"""What each rule is: its page, its formula as mathematics, and its arithmetic at one step."""
