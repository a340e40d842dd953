package balancer

import "pinion/runtime"

func check(c *runtime.Compiler) {}
