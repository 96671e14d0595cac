;; expect: reject component
;; A component is no capsule.
(component)
